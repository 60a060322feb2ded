/** Version of the folder's format, in replica.json. */
export const folderVersion = 1
