/** In `evpc demo` a process in front of the gateways has a panel of its own for this page. A gateway alone knows nothing of it. */

/** Fills the section and shows it, where there is a demo. */
export async function mountDemo(section) {
  try {
    const response = await fetch('/demo/status')
    if (!response.ok || response.headers.get('Content-Type')?.includes('json') !== true) return
    const { mount } = await import('/demo/panel.js')
    section.hidden = false
    await mount(section)
  } catch (error) {
    section.hidden = true
    console.warn('the panel of the demo could not be shown', error)
  }
}
